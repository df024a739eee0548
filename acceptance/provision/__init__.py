"""What a run creates and removes: cluster, images, database, model stub, gateway, release."""
