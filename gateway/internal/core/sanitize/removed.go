package sanitize

// Removed counts what Report took out or rewrote, by kind. The counts are for people
// to look at: an emoji sequence counts as one, whatever its length.
type Removed struct {
	Emoji     int // Unicode emoji sequences
	Custom    int // Discord's custom emoji
	Links     int // GIF and sticker links
	Mentions  int // users, roles, channels, commands, navigation, and the bot itself
	Times     int // timestamps
	Folded    int // fancy letters
	Invisible int // control, zero-width, bidi characters, selectors, tags
	Marks     int // combining marks beyond the fourth
	Spaces    int // white space beyond the first
	Invalid   int // bytes that are no UTF-8
}
