"""PartiQL of DynamoDB: a statement becomes the operation that does the same."""
