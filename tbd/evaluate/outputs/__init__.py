"""The result folder: scores.json, clips.parquet, report.html."""
