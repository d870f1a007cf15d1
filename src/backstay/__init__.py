"""backstay builds, changes, examines and proves highly available Kubernetes control planes."""

__version__ = "0.1.0"
