"""Word lists: everything a person, a product or a review of the demo company is called. No real person is meant.

E-mail domains are those reserved for examples (RFC 2606); telephone numbers
are those that the German regulator keeps for fiction.
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES = {
    "f": _words(
        "Anna Lea Mia Emma Hannah Sophie Marie Lena Clara Ida Frieda Greta Jana Katrin Sabine Petra Ursula Monika "
        "Renate Zoë Chloé Amélie Élise Ayşe Elif Olga Agnieszka Ingrid Birgit Käthe Björk Sólveig Noor Aisha"
    ),
    "m": _words(
        "Ben Paul Leon Finn Jonas Luis Felix Max Moritz Emil Anton Karl Jürgen Günther Stefan Thomas Michael Andreas "
        "Uwe Ralf Søren Björn André François Mehmet Emre Piotr Pavel Lars Sven Jörg Götz Omar Yusuf"
    ),
    "d": _words("Kim Robin Toni Alex Sascha Mika Charlie Luca Noa Jona"),
}
SURNAMES = _words(
    "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Koch Bauer Richter Klein Wolf Schröder "
    "Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange Schmitt Werner Krause Lehmann Köhler Maier Huber "
    "Kaiser Fuchs Peters Lang Scholz Möller Weiß Jung Hahn Vogel Friedrich Keller Günther Frank Berger Winkler Roth "
    "Beck Lorenz Baumann Franke Albrecht Schuster Ludwig Böhm Winter Kraus Martin Schumacher Krämer Vogt Stein Jäger "
    "Otto Sommer Groß Seidel Heinrich Brandt Haas Schreiber Graf Dietrich Ziegler Kuhn Kühn Pohl Engel Horn Busch "
    "Bergmann Voigt Sauer Arnold Wolff Pfeiffer O'Brien Dubois Rossi Yildiz Öztürk Nowak Kowalski Jensen Hansen"
)
MAIL_DOMAINS = ("example.com", "example.org", "example.net", "mail.example", "post.example")
PHONE_PREFIXES = ("+49 30 23125", "+49 69 90009", "+49 40 66969", "+49 221 4710", "+49 89 99998")
CITIES = {
    "DE": _words(
        "Berlin Hamburg München Köln Leipzig Dresden Nürnberg Münster Würzburg Göttingen Rostock Kassel "
        "Freiburg Saarbrücken Lübeck Jena"
    ),
    "AT": ["Wien", "Graz", "Linz", "Salzburg", "Innsbruck"],
    "CH": ["Zürich", "Basel", "Bern", "Genève", "St. Gallen"],
    "FR": ["Paris", "Lyon", "Strasbourg", "Lille"],
    "NL": ["Amsterdam", "Utrecht", "Rotterdam", "'s-Hertogenbosch"],
}
COUNTRY_SHARES = {"DE": 0.72, "AT": 0.11, "CH": 0.08, "FR": 0.05, "NL": 0.04}
SIGN_UP_CHANNELS = {"search": 0.34, "social": 0.24, "store": 0.18, "referral": 0.14, "newsletter": 0.10}

CATEGORIES = {  # what is sold, and the share of the price that it costs the company
    "Kitchen": (("Pan", "Knife", "Kettle", "Bowl", "Grinder", "Carafe", "Board", "Scale"), 0.52),
    "Living": (("Lamp", "Cushion", "Throw", "Vase", "Frame", "Candle", "Shelf", "Clock"), 0.48),
    "Bath": (("Towel", "Robe", "Mat", "Mirror", "Soap Dish", "Basket", "Brush", "Stool"), 0.45),
    "Garden": (("Planter", "Hose", "Shears", "Lantern", "Bench", "Feeder", "Trellis", "Spade"), 0.57),
    "Office": (("Notebook", "Pen", "Organiser", "Desk Mat", "Stand", "Folder", "Stapler", "Chair"), 0.50),
    "Travel": (("Backpack", "Bottle", "Pouch", "Pillow", "Adapter", "Duffel", "Umbrella", "Case"), 0.55),
    "Children": (("Blocks", "Puzzle", "Blanket", "Mobile", "Crayons", "Rattle", "Book", "Train"), 0.53),
    "Food": (("Coffee", "Tea", "Chocolate", "Honey", "Oil", "Spices", "Pasta", "Jam"), 0.63),
}
BRANDS = ("Nordlicht", "Alpina", "Maison Belle", "Fjell", "Kastanie", "Blaugrün", "Tally & Sons", "Ohne Namen")
GRADES = ("Basic", "Classic", "Plus", "Studio", "Atelier", "Reserve")

REVIEW_OPENINGS = {
    "de": {1: ("Leider eine große Enttäuschung.", "Nie wieder!", "Völlig unbrauchbar, ich ärgere mich."),
           2: ("Nicht das, was ich erwartet habe.", "Eher schwach für den Preis.", "Schade."),
           3: ("Ganz in Ordnung.", "Mittelmäßig, aber brauchbar.", "Es gibt Besseres und Schlechteres."),
           4: ("Schönes Stück, gute Qualität.", "Bin zufrieden.", "Fast perfekt."),
           5: ("Einfach großartig!", "Genau wie beschrieben, ich bin begeistert.", "Sehr schön, gerne wieder.")},
    "en": {1: ("Very disappointed.", "Broken on arrival, never again!", "Useless, I want my money back."),
           2: ("Not what I expected.", "Poor for the price.", "A pity."),
           3: ("It is okay.", "Average, but it does the job.", "Neither good nor bad."),
           4: ("Nice piece, good quality.", "Happy with it.", "Almost perfect."),
           5: ("Simply great!", "Exactly as described, I love it.", "Beautiful, would buy again.")},
}  # fmt: skip
REVIEW_DETAILS = {
    "de": {-1: ("Die Lieferung kam zu spät.", "Das Material wirkt billig.", "Nach einer Woche kaputt.",
                'Der Kundendienst antwortet nicht; "bitte warten" hieß es.'),
           0: ("Lieferung wie üblich.", "Größe fällt etwas kleiner aus.", "Farbe wie auf dem Bild."),
           1: ("Schnelle Lieferung.", "Die Verarbeitung ist hervorragend.", "Freundlicher Kundendienst.",
               "Für 20 Euro ein Schnäppchen.")},
    "en": {-1: ("Delivery was late.", "The material feels cheap.", "Broke after a week.",
                'Support never answered; "please hold", they said.'),
           0: ("Delivery as usual.", "Runs a little small.", "Colour as in the picture."),
           1: ("Fast delivery.", "The finish is excellent.", "Friendly support.", "A bargain.")},
}  # fmt: skip
CAMPAIGNS = ("Spring", "Easter", "Garden", "Summer", "Back to School", "Autumn", "Advent", "Winter Sale")
