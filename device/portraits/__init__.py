"""Pictures of one person for enrollment: decode, find the face, choose."""
