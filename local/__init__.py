"""What only a laptop needs: services, demonstration data and the simulated WhatsApp."""
