"""ECR and `PackageType: Image` Lambda functions for the open-source LocalStack 4.13.

`runtime/` is the Runtime API and the life of an environment, `process/` and `container/` are
the two ways to run one; `images`, `executor`, `providers` and `plugins` join them to LocalStack.
"""
