"""What must hold while parts of a running portal are killed."""
