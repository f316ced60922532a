"""What metrics are made of: statistics, distances between sets of features, face tracks, face embeddings."""
