"""A made-up portfolio with a believable history: what the demo, the tests and the models can be shown on."""

from storage.demo.world import DemoWorld, build

__all__ = ["DemoWorld", "build"]
