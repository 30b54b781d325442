"""The main job, end to end: camera and messages as two processes, compared with the truth."""
