"""S3 where LocalStack's answers are not those that AWS's pages describe."""
