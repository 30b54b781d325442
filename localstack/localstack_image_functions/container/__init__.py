"""Functions as containers, with a real registry behind ECR."""
