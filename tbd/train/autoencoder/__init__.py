"""``tbd train autoencoder``: an image autoencoder for the faces of a dataset."""
