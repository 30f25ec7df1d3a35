"""Services that are paid for: how they fail, at what pace they are asked, what they answered."""
