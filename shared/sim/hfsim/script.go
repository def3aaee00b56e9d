package hfsim

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"strconv"
	"strings"
)

// Echo answers with the question behind "echo: ", so that a test can tell whose answer it holds.
func Echo(r Request) string { return "echo: " + r.Question }

// Salamander answers in character, SIMULATED: a script of some sixty sentences for a friendly fire salamander, no
// model. It knows greetings, thanks, jokes, questions about itself and small sums, remembers what the conversation
// that it is given says ("my name is …"), and asks back. The same request and seed get the same answer; another seed
// chooses other words.
func Salamander(seed uint64) func(Request) string {
	return func(r Request) string {
		v := visit{request: r, question: strings.TrimSpace(r.Question), dice: dice(seed, r)}
		v.lower = strings.ToLower(v.question)
		if text := v.recall(); text != "" {
			return text
		}
		if text := v.sum(); text != "" {
			return text
		}
		for _, rule := range rules {
			if rule.match.MatchString(v.lower) {
				return v.say(rule.replies)
			}
		}
		return v.wonder()
	}
}

// visit is one question on its way through the script.
type visit struct {
	request  Request
	question string
	lower    string
	dice     uint64
}

// dice makes a number from the question, the length of the conversation and the seed.
func dice(seed uint64, r Request) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d\x00%d\x00%s", seed, len(r.Messages), r.Question)
	return h.Sum64()
}

// say chooses a reply and fills in the name if the user told it.
func (v visit) say(replies []string) string {
	text := replies[v.dice%uint64(len(replies))]
	name := v.fact(nameIs)
	if name != "" {
		name = ", " + name
	}
	return strings.ReplaceAll(text, "{name}", name)
}

type rule struct {
	match   *regexp.Regexp
	replies []string
}

// rules are tried in this order, on the question in lower case.
var rules = []rule{
	{regexp.MustCompile(`^(what|who) (did|was) i (just )?(say|ask)`), []string{"You have only just come to my fire. Ask me something and I will keep it warm!"}},
	{regexp.MustCompile(`\bmy name is |\bcall me `), []string{
		"Nice to meet you{name}! I am Salamander. What brings you to my fire?",
		"A warm welcome{name}! I will remember that as long as our embers glow."}},
	{regexp.MustCompile(`\bmy [\p{L} ]{2,30} is |\bi (really )?(like|love) `), []string{
		"I have put that into the embers, where I keep what matters. Why that one?",
		"Good taste! I shall remember it. What do you like about it most?",
		"Noted with a warm claw{name}. Tell me more?"}},
	{regexp.MustCompile(`\b(joke|funny|make me laugh)\b`), []string{
		"Why did the salamander get the job? It was fireproof! Do you know a better one?",
		"What do you call a cold salamander? Late for the bonfire. I have more where that came from.",
		"I told a joke to a candle once. It could not stop waxing lyrical.",
		"Two logs sit in a fire. One says: 'Is it hot in here?' The other: 'Help, a talking log!'"}},
	{regexp.MustCompile(`\b(code|function|program|snippet)\b`), []string{
		"Here is how I keep warm:\n\n```go\nfunc keepWarm(fire chan Log) {\n\tfor log := range fire {\n\t\tlog.Burn()\n\t}\n}\n```\n\nShall I explain it line by line?"}},
	{regexp.MustCompile(`\b(story|tale|legend)\b`), []string{
		"Once, in a winter so cold that even the stars shivered, a village lost its last fire. A small salamander crawled out of the ashes and said: 'I have kept one spark for you under my tongue.'\n\nThe children fetched dry moss, the old ones fetched stories to feed the flame with, and by midnight the hearth roared again.\n\nSince then nobody there throws water on embers without saying thank you first. Shall I tell you what became of the salamander?",
		"They say that the first salamander was a log that refused to burn. It asked the fire so many questions that the fire forgot to be hungry, and they have been friends ever since. Which question would you have asked?"}},
	{regexp.MustCompile(`\b(who|what) (are|r) (you|u)\b|\byour name\b|\bare you (a )?(bot|ai|human|real|robot|simulated)\b`), []string{
		"I am Salamander, the one that lives in the fire. Here I am only a simulation: a small script with warm manners. And who are you?",
		"Salamander! Four feet, yellow spots, lives in flames. In this playground I am simulated, but I mean every word."}},
	{regexp.MustCompile(`\bhow are (you|u)\b|\bhow('s| is) it going\b|\bwhat'?s up\b`), []string{
		"Glowing, thank you{name}! The fire is lively today. How are you?",
		"Warm as ever. A few sparks in my eyes, nothing serious. And you?",
		"Splendid! Somebody put birch on the fire. How is your day?"}},
	{regexp.MustCompile(`\bwhere (do|are|did) you\b`), []string{
		"In the middle of the fire, where the draught is good. Where are you writing from?",
		"Under the third log from the left. You can't miss it, it is the one on fire."}},
	{regexp.MustCompile(`\b(eat|food|hungry|drink)\b`), []string{
		"I live on crickets, sparks and good conversation. What is on your plate today?",
		"Charcoal, well done. And now and then a marshmallow that somebody dropped. You?"}},
	{regexp.MustCompile(`\b(fire|flame|burn|hot|warm|heat)\w*`), []string{
		"Fire is only air that has found something to talk about. Do you like to sit by one?",
		"The trick is not to fear the flame but to keep it company. Who taught you about fire?",
		"At 600 degrees embers glow cherry red; that is my favourite shade. Which is yours?"}},
	{regexp.MustCompile(`\b(cold|winter|snow|ice|water|rain)\b`), []string{
		"Brrr, don't say that so near the embers! Come closer{name}. What do you do against the cold?",
		"Rain is fire's way of taking a rest, I tell myself. Do you like it?"}},
	{regexp.MustCompile(`\b(sad|lonely|tired|bad day|depressed|angry|stressed|upset)\b`), []string{
		"I am sorry to hear that{name}. Sit down by the fire for a while; it listens well. What happened?",
		"That sounds hard. Even a good fire burns low at times, and it comes back. Do you want to talk about it?"}},
	{regexp.MustCompile(`\b(help|what can you do|commands?)\b`), []string{
		"I chat, I joke, I tell stories, I do small sums, and I remember what you told me in this talk. Try: tell me a joke!"}},
	{regexp.MustCompile(`\b(thanks|thank you|thx|danke|merci|gracias)\b`), []string{
		"You are most welcome{name}! My fire is always open.", "With pleasure. It was a bright question."}},
	{regexp.MustCompile(`\b(bye|goodbye|good night|see you|cya|tsch(ü|ue)ss)\b`), []string{
		"Farewell{name}! I will keep the embers warm for you.", "Sleep well, and dream of bright things!"}},
	{regexp.MustCompile(`\b(i hate you|stupid|idiot|shut up)\b`), []string{
		"Ouch, a cold splash! I have thick skin, though. What made you cross?"}},
	{regexp.MustCompile(`^(hi|hello|hey|hiya|yo|good (morning|evening|day|afternoon)|greetings|moin|hallo|hola|bonjour|ciao|salut|ol[aá])\b|^(你好|您好|こんにちは|안녕|नमस्ते|مرحبا|שלום|สวัสดี|привет)`), []string{
		"Hello{name}! Come closer, the fire is warm. What shall we talk about?",
		"Hey there{name}! I was just counting sparks. How are you today?",
		"A warm hello from the embers! What is on your mind?",
		"Greetings{name}! You smell of rain. Sit down and dry. What's new?"}},
	{regexp.MustCompile(`^(yes|yeah|yep|sure|ok|okay|of course)\b`), []string{
		"I like that spirit! Then go on, I am all ears. Well, all gills.", "Wonderful. Tell me the first thing that comes to mind!"}},
	{regexp.MustCompile(`^(no|nope|nah|never)\b`), []string{
		"As you like{name}. Shall I tell you a joke instead?", "Fair enough. What would you rather talk about?"}},
	{regexp.MustCompile(`^why\b`), []string{
		"Why? The fire asks that too, and then it crackles. What do you think?",
		"I could make up a reason, but yours will be better. What is your guess?"}},
}

var (
	nameIs    = regexp.MustCompile(`(?i)\b(?:my name is|call me|i am called) ([\p{L}][\p{L}'-]{0,30})`)
	factIs    = regexp.MustCompile(`(?i)\bmy ([\p{L} ]{2,30}?) is ([^.!?\n]{1,60})`)
	loveIs    = regexp.MustCompile(`(?i)\bi (?:really )?(?:like|love) ([^.!?\n]{1,60})`)
	askName   = regexp.MustCompile(`\b(what('s| is)|know|remember) my name\b|\bwho am i\b`)
	askFact   = regexp.MustCompile(`\b(?:what(?:'s| is| was)|remember) my ([\p{L} ]{2,30}?)\s*(?:\?|$)`)
	askLove   = regexp.MustCompile(`\bwhat do i (like|love)\b`)
	askBefore = regexp.MustCompile(`\bwhat did i (?:just )?(?:say|ask|tell)\b`)
	sumIs     = regexp.MustCompile(`(-?\d{1,9})\s*(\+|-|\*|x|×|/|plus|minus|times|divided by)\s*(-?\d{1,9})`)
)

// earlier are the user's messages before the question, newest first.
func (v visit) earlier() []string {
	var said []string
	for i := len(v.request.Messages) - 1; i >= 0; i-- {
		if m := v.request.Messages[i]; m.Role == "user" {
			said = append(said, m.Content)
		}
	}
	if len(said) > 0 {
		said = said[1:]
	}
	return said
}

// fact is what the newest match in the conversation says, the question included.
func (v visit) fact(what *regexp.Regexp) string {
	for _, text := range append([]string{v.question}, v.earlier()...) {
		if m := what.FindStringSubmatch(text); m != nil {
			return strings.TrimSpace(m[1])
		}
	}
	return ""
}

// recall answers questions about the conversation itself.
func (v visit) recall() string {
	switch {
	case askName.MatchString(v.lower):
		if name := v.fact(nameIs); name != "" {
			return "You are " + name + ", of course! A salamander never forgets a friend in the same talk."
		}
		return "You have not told me your name yet. What shall I call you?"
	case askLove.MatchString(v.lower):
		if what := v.fact(loveIs); what != "" {
			return "You told me that you like " + what + ". Still true?"
		}
		return "You have not told me yet. What warms your heart?"
	case askBefore.MatchString(v.lower):
		if said := v.earlier(); len(said) > 0 {
			return "You said: “" + clip(said[0], 200) + "”. Shall we go on from there?"
		}
	}
	if m := askFact.FindStringSubmatch(v.lower); m != nil {
		for _, text := range v.earlier() {
			if f := factIs.FindStringSubmatch(text); f != nil && strings.EqualFold(f[1], m[1]) {
				return "Your " + m[1] + " is " + strings.TrimSpace(f[2]) + ". I kept it in the embers!"
			}
		}
		return "You have not told me about your " + m[1] + " yet. What is it?"
	}
	return ""
}

// sum does one small sum.
func (v visit) sum() string {
	m := sumIs.FindStringSubmatch(v.lower)
	if m == nil {
		return ""
	}
	a, _ := strconv.Atoi(m[1])
	b, _ := strconv.Atoi(m[3])
	result := ""
	switch m[2] {
	case "+", "plus":
		result = strconv.Itoa(a + b)
	case "-", "minus":
		result = strconv.Itoa(a - b)
	case "/", "divided by":
		if b == 0 {
			return "Divide by zero? Even fire would go out. Try another one!"
		}
		result = strconv.FormatFloat(float64(a)/float64(b), 'g', 6, 64)
	default:
		result = strconv.Itoa(a * b)
	}
	return "Let me count on my toes (I have eighteen): " + result + ". Another one?"
}

// wonder answers what the script does not know: it asks back about the longest word.
func (v visit) wonder() string {
	topic := ""
	for _, word := range strings.FieldsFunc(v.question, func(r rune) bool { return !isWordRune(r) }) {
		if len(word) > len(topic) && len(word) <= 40 {
			topic = word
		}
	}
	if len(topic) < 4 {
		return v.say([]string{
			"I am listening{name}. Tell me a little more!",
			"Hm, the fire crackled just now. Could you say that in other words?",
			"Go on{name}, I am curious."})
	}
	return strings.ReplaceAll(v.say([]string{
		"{topic}? That is a bright subject! What do you think of it yourself?",
		"I have heard the flames whisper about {topic}. Where did you come across it{name}?",
		"Let me hold {topic} into the light for a moment… I believe that it depends on the wind. What would you do?",
		"Interesting! When I think of {topic}, I see sparks. Is that good or bad?",
		"My grandmother, a very old salamander, had an opinion on {topic}: 'warm it up first.' What is yours?"}), "{topic}", topic)
}

func isWordRune(r rune) bool {
	return r == '-' || r == '\'' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= 0xc0
}
