module github.com/optionc/pollux

go 1.26
