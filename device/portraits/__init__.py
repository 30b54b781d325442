"""Pictures of one person for enrolment: decode, find the face, choose."""
