"""The register of artefacts with their keys, and the decision who may use them now."""
