"""Words around a statement: those that leave it as it is, and those that turn it into another."""

# Words that hang on to a statement without moving it, in plain groups.
_SMALL = """
on in for at of by with from to than over vs versus against across under above below behind ahead as
into upon between among amongst within beyond around through during per via and but while whereas
however yet though although so thus hence too also moreover meanwhile because overall further
furthermore notably indeed instead finally
"""
_VERBS = """
is are was were be been being has have had does do did gets get got gives give given comes come came
goes go went puts put shows show reaches reach reached scores score scored scoring achieves achieve
achieved achieving obtains obtain obtained attains attain records posts hits hit manages manage sits
sit stands stand lands land lies lie brings bring makes make leaves leave averages averaging
performs perform delivers deliver yields yield sees see takes take keeps keep holds hold finishes
finish ends end starts stays stay remains remain buys earns provides offers allowing turning using
compared applying
"""
_ADVERBS = """
only just clearly slightly strongly marginally considerably much far well little nearly almost about
roughly approximately again even still both all each every up down out back off simply already
significantly substantially dramatically markedly modestly sharply massively visibly easily narrowly
barely consistently uniformly practically essentially virtually respectively here now firmly
squarely closely neck completely entirely absolutely single-handedly outright interestingly
surprisingly importantly unsurprisingly together away most more less
"""
_OTHERS = """
update updates saturated ground worth included including dead scaling bottleneck uniform pattern
close near ceiling followed good bad tie outcome picture verdict whose solved solves headline
perspective standpoint view accuracy accuracies point points pp result results performance value
values absolute relative terms average mean recall task tasks table margin gap difference change
effect it its itself they their them this that these those which rule rules model models variant
variants baseline i.e e.g i.e. x s t place spot position level rate learning memory state
architecture architectures agent agents detector class column cell price trade-off takeaway finding
findings insight key main rank ranks ranked order ordering ranking placed side sole single whole
field pack rest group family kind type number numbers us best summary executive note observation
conclusion step we our there small tiny large big modest clear slight consistent considerable huge
massive substantial dramatic solid strong weak mere sharp network networks nets starting entry
entries run runs contender competitor candidate sibling siblings choice design setup formulation
mechanism block module hybrid attention recurrent unmodified full way names recommended default
story lesson caveat surprise thereby likewise briefly gracefully genuinely truly actually really
effectively quietly comfortably handily decisively convincingly plainly remarkably curiously
admittedly unfortunately sadly luckily conversely similarly additionally altogether throughout
merely purely fairly quite very hands without-doubt undoubtedly arguably certainly definitely
obviously evidently naturally winner loser leader performer runner memorizer copier compressor
learner ever bigger interesting surprising striking convincing tested tried evaluated considered
trained shown listed simplest cheapest newest latest oldest sitting standing landing finishing
ending coming getting taking holding keeping giving placing winning fully modern classic clever
fancy humble price-performance champion favourite favorite wins loses gains pays works worked fares
fared respectable impressive disappointing maintains maintain survives survive produce produces
"""
KNOWN = frozenset(" ".join((_SMALL, _VERBS, _ADVERBS, _OTHERS)).split())

# Words that limit a comparison, turn it round or make it one of something else.
_TURNS = """
if unless except when without until before after would could might once while or nor either neither
instead rather nearly almost hardly barely scarcely close closer closest so never unlike like
despite besides apart aside other others else another any some several few many half double twice
third quarter times gap margin difference lead cost price trade trades expense loss gain change sum
total median variance same similar alike equal equals tie tied near whichever whatever who which
whose what too enough seems appears suggests maybe perhaps probably possibly supposedly allegedly
claimed claims reported respectively opposite reverse reversed otherwise combined together alone
unchanged nothing human buy buys versa vice
"""
TURNING = frozenset(_TURNS.split())
