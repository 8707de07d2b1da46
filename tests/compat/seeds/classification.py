import dspy
dspy.configure(lm=dspy.LM('openai/gpt-4o-mini'))

from typing import Literal

class Classify(dspy.Signature):
    """Classify sentiment of a given sentence."""

    sentence: str = dspy.InputField()
    sentiment: Literal['positive', 'negative', 'neutral'] = dspy.OutputField()
    confidence: float = dspy.OutputField()

classify = dspy.Predict(Classify)
print(classify(sentence="This book was super fun to read, though not the last chapter."))
