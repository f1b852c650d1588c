<section id="{{id}}" class="wide"{{!"" if number else " hidden"}}><h2>{{title}}</h2></section>
