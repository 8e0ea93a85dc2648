"""What the artifact stores on object storage share."""
