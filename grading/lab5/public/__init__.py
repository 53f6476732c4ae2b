"""What a student may read, run and learn from: 60 % of each task's points."""
