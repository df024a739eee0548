"""What a run makes and removes: cluster, images, database, model stub, gateway, release."""
