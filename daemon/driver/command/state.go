package command

import "fmt"

// A State is what asking about a resource showed. A question that could not be
// answered is Unknown, never Stopped: on Stopped the other node may start.
type State uint8

// The states of a resource.
const (
	Unknown State = 0
	Running State = 1
	Stopped State = 2
)

// String is the state in lower case.
func (s State) String() string {
	switch s {
	case Unknown:
		return "unknown"
	case Running:
		return "running"
	case Stopped:
		return "stopped"
	default:
		return fmt.Sprintf("state(%d)", uint8(s))
	}
}
