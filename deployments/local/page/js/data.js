// What the pickers offer.

export const EMOJI = {
  "Faces": "😀 grin,😂 joy,🙂 smile,😉 wink,😍 heart eyes,🤔 thinking,😎 cool,😭 sob,😡 angry,🥳 party,😴 sleep,🙏 thanks,👍 thumbs up,👎 thumbs down,👏 clap,👋 wave,💪 strong,🤝 handshake",
  "Fire and friends": "🔥 fire,🦎 lizard,🌋 volcano,🐉 dragon,🐸 frog,🦊 fox,🐢 turtle,🦉 owl,🌶️ pepper,🕯️ candle,☀️ sun,🌧️ rain,❄️ snow,⭐ star",
  "Things": "❤️ heart,💔 broken heart,🎉 tada,🎂 cake,☕ coffee,🍕 pizza,🎮 game,🎵 music,📎 clip,🔑 key,⏰ alarm,🚀 rocket,✅ check,❌ cross,👩‍💻 coder,👨‍👩‍👧 family,🏳️‍🌈 rainbow flag,👍🏽 thumbs up",
};

export const GIFS = [
  ["🦎", "salamander dance"], ["🔥", "this is fine fire"], ["🎉", "party time"], ["😂", "laughing out loud"], ["👏", "slow clap"], ["🐉", "dragon wave"],
];
export const gifURL = words => "https://tenor.com/view/" + words.replace(/ /g, "-") + "-gif-" + (1000000 + words.length * 7919);
