"""The paper's claims at a scale that anybody can run: drawn people whose action units are known exactly."""
