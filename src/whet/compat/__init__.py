"""The `dspy` names: old module paths onto new ones, old saved files onto ours."""
