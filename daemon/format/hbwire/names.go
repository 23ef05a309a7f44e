package hbwire

import "strings"

// The message types: values of FieldType. Source: Heartbeat wire, section 4.
const (
	MsgStatus        = "status"          // the heartbeat: st, dt, protocol
	MsgPing          = "NS_st"           // a ping node's, made by the pinging node inside the ICMP echo
	MsgAck           = "NS_ackmsg"       // all sequenced messages up to ackseq have come
	MsgResend        = "NS_rexmit"       // please resend firstseq to lastseq
	MsgCannotResend  = "NS_nak_rexmit"   // firstseq is lost for good
	MsgAskNodes      = "reqnodes"        // asks for the node list
	MsgNodes         = "repnodes"        // the node list
	MsgStarting      = "starting"        // the sender (re)starts and asks what the receiver holds
	MsgResource      = "resource"        // what the sender holds
	MsgAskResources  = "ask_resources"   // one of the three steps of a standby
	MsgTakeover      = "hb_takeover"     // the sender wants the receiver to go standby
	MsgAskGroup      = "ip-request"      // legacy failback: the sender wants a group
	MsgGroup         = "ip-request-resp" // permission to start a group
	MsgShutdownDone  = "shutdone"        // the sender's resources are stopped, it leaves
	MsgStonith       = "stonith"         // how a fencing ended
	MsgAskClient     = "query-cstatus"   // is an API client connected at the receiver?
	MsgClient        = "respond-cstatus" // the answer
	MsgClientStatus  = "hbapi-clstat"    // an API client joined or left at the sender
	MsgLink          = "ifstat"          // a link's state; never leaves its node
	MsgPingCount     = "num_ping_nodes"  // ipfail: how many ping nodes the sender reaches
	MsgPingAbort     = "abort_giveup"    // ipfail: both reach as many
	MsgPingDead      = "you_are_dead"    // ipfail: the sender reaches more
	MsgAddNode       = "addnode"         // administration; not acted on, as the next three
	MsgDeleteNode    = "delnode"
	MsgSetNodeWeight = "setweight"
	MsgSetNodeSite   = "setsite"
)

// Sequenced says whether messages of a type carry a sequence number and are resent when lost.
func Sequenced(msgType string) bool { return !strings.HasPrefix(msgType, "NS_") }

// The names of the fields. Source: Heartbeat wire, sections 3 and 4.
const (
	FieldType        = "t"           // one of the message types
	FieldDest        = "dest"        // node name; missing: for all
	FieldDestUUID    = "destuuid"    // binary
	FieldSource      = "src"         // node name
	FieldSourceUUID  = "srcuuid"     // binary
	FieldSeq         = "seq"         // hexadecimal
	FieldGeneration  = "hg"          // hexadecimal
	FieldTime        = "ts"          // hexadecimal Unix seconds
	FieldLoad        = "ld"          // text of /proc/loadavg
	FieldTTL         = "ttl"         // decimal
	FieldAuth        = "auth"        // key number and digest, of the classic text
	FieldStatus      = "st"          // init, up, active, dead; join, leave; ping
	FieldDeadtime    = "dt"          // hexadecimal milliseconds
	FieldProtocol    = "protocol"    // 1
	FieldAckSeq      = "ackseq"      // hexadecimal
	FieldFirstSeq    = "firstseq"    // decimal in MsgResend, hexadecimal in MsgCannotResend
	FieldLastSeq     = "lastseq"     // decimal
	FieldInfo        = "info"        // a reason; me, other, done in MsgAskResources
	FieldNodes       = "nodelist"    // names, each followed by a blank; an empty list is one blank
	FieldDeleted     = "delnodelist" // as FieldNodes
	FieldHolds       = "rsc_hold"    // none, local, foreign, all
	FieldReport      = "rtype"       // full, or missing: a change
	FieldStable      = "isstable"    // 0, 1
	FieldGroup       = "ipaddr"      // a group's key in haresources
	FieldOwn         = "weown"       // yes, no
	FieldOK          = "ok"          // OK
	FieldNode        = "node"        // node name
	FieldResult      = "result"      // OK, badhost, bad, n_stnth, unneeded
	FieldClient      = "cn"          // an API client's name
	FieldClientState = "cs"          // online, offline
	FieldFromID      = "from_id"     // the API client that sends
	FieldToID        = "to_id"       // the API client that is meant
)
