<section id="moves" class="wide"{{!"" if inside.moves else " hidden"}}>
<h2>Moves and restores</h2>
<ul>
% for move in inside.moves:
<li>{{move.database}} from {{move.source}} to {{move.target}}: <span class="state {{look(move.step)}}">{{move.step}}</span>
% if move.done is not None:
<progress max="100" value="{{move.done}}" aria-label="{{move.database}}">{{move.done}} %</progress> {{move.done}} %
% end
% if move.left is not None:
, {{duration(move.left)}} left
% end
{{move.why}}</li>
% end
</ul>
</section>
