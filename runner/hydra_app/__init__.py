"""Everything that knows Hydra: the driver, the checks of a config, and the launcher of sweeps."""
