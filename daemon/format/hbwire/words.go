package hbwire

// word is the text of b. Words that are in every packet cost no memory.
func word(b []byte) string { //nolint:gocyclo // a table
	switch string(b) {
	case FieldType:
		return FieldType
	case FieldDest:
		return FieldDest
	case FieldDestUUID:
		return FieldDestUUID
	case FieldSource:
		return FieldSource
	case FieldSourceUUID:
		return FieldSourceUUID
	case FieldSeq:
		return FieldSeq
	case FieldGeneration:
		return FieldGeneration
	case FieldTime:
		return FieldTime
	case FieldLoad:
		return FieldLoad
	case FieldTTL:
		return FieldTTL
	case FieldAuth:
		return FieldAuth
	case FieldStatus:
		return FieldStatus
	case FieldDeadtime:
		return FieldDeadtime
	case FieldProtocol:
		return FieldProtocol
	case FieldAckSeq:
		return FieldAckSeq
	case MsgStatus:
		return MsgStatus
	case MsgAck:
		return MsgAck
	case "active":
		return "active"
	case "1":
		return "1"
	default:
		return string(b)
	}
}
