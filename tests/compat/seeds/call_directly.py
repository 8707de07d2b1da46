import dspy
lm = dspy.LM('openai/gpt-4o-mini')
dspy.configure(lm=lm)

print(lm("Say this is a test!", temperature=0.7))  # => ['This is a test!']
print(lm(messages=[{"role": "user", "content": "Say this is a test!"}]))  # => ['This is a test!']
