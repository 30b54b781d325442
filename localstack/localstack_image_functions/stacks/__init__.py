"""CloudFormation: what a template says is what there is, or the stack says that it is not.

LocalStack's resource providers pass over properties without a word (the lifecycle of a bucket, the
retention of a log group), and report updates that they do not make as done. `applying` watches
them, `buckets` and `others` do what they leave out.
"""
