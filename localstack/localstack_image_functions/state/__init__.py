"""State on disk: what LocalStack keeps in memory outlives its process.

`codec` writes objects as data, `database` keeps them as rows, `objects` keeps S3 contents as
files. `services`, `s3`, `sqs`, `dynamodb` and `logs` say what is a row; `keeper` saves and loads.
"""
