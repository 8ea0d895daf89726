"""What a user keeps: the model, its folder, its card, its way to the Hub."""
