"""ECR and `PackageType: Image` Lambda functions for the open-source LocalStack 4.13.

`runtime_api`, `environment`, `logs`, `bundle`, `process_sandbox` and `launcher` know nothing
of LocalStack; `images`, `executor`, `providers` and `plugins` join them to it.
"""
