"""Video, sound and faces: the only doors to files with pictures and sound."""
