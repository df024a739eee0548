"""The Todo Chatbot's backend: tasks, tags, conversations and an agent, all of whose state is in PostgreSQL."""
