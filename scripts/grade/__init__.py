"""Courses: deploy somebody's solution, play a workload at it, score what the cloud shows."""
