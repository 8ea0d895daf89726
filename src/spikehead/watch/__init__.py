"""A model that answers whatever comes, where it stands: new photos, a camera, a stream."""
