"""The t-SNE picture of style codes (Fig. 11): which videos, where they lie, and how they are drawn."""
