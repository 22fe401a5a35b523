"""What a call meets before it is carried out: rate limits and faults."""
