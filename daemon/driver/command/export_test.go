package command

// For tests only.
var (
	Wait     = wait
	TailSize = tailSize
)
