"""From Evolution's webhooks to rows: store first, answer, understand later."""
