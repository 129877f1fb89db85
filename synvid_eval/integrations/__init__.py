"""The measurements inside other libraries' interfaces: `integrations.torchmetrics`."""
