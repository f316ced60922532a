"""The paper's claims, measured on drawn people."""
