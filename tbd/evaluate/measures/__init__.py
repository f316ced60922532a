"""What metrics are made of: statistics, distances between sets of features, MFCC, face tracks, face embeddings."""
