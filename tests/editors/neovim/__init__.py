"""What the tests of the Neovim plugin share."""
