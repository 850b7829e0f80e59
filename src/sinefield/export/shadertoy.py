"""What a pasted shader shows of a field: a picture, a shape by sphere tracing, a slice, a frame, or a curve."""

from __future__ import annotations

from sinefield.export.subject import Subject

# Points are in the order of the axes of arrays: (y, x) of a picture, y downwards.
_PLANE = """
void mainImage(out vec4 colour,in vec2 place){{
  vec2 size=vec2({width},{height});  // half the sides of the plane
  vec2 q=(2.*place-iResolution.xy)*max(size.x/iResolution.x,size.y/iResolution.y);
  if(any(greaterThan(abs(q),size))){{colour=vec4(.1,.1,.1,1);return;}}
  {value}
  colour=vec4({colour},1);
}}
"""

_SPACE = """
// A ray from afar to the surface, steps of the distance itself; drag to turn.
void mainImage(out vec4 colour,in vec2 place){
  vec2 q=(2.*place-iResolution.xy)/min(iResolution.x,iResolution.y);
  float turn=iMouse.z>0.?6.283*iMouse.x/iResolution.x:.5*iTime,lift=.4;
  vec3 eye=3.2*vec3(cos(turn)*cos(lift),sin(turn)*cos(lift),sin(lift));
  vec3 ahead=-normalize(eye),right=normalize(cross(ahead,vec3(0,0,1))),up=cross(right,ahead);
  vec3 ray=normalize(2.6*ahead+q.x*right+q.y*up);
  vec3 near=(-sign(ray)-eye)/ray,far=(sign(ray)-eye)/ray;
  float t=max(max(near.x,near.y),near.z),end=min(min(far.x,far.y),far.z);
  colour=vec4(mix(vec3(.05),vec3(.2),.5+.5*q.y),1);
  for(int k=0;k<96&&t<end;k++){
    float away=field((eye+t*ray)THERE);
    if(away<.002){
      vec3 n;
      field((eye+t*ray)THERE,n.x,n.y,n.z);
      n=normalize(nBACK);
      colour=vec4(vec3(.25+.75*max(dot(n,normalize(up-ahead+right)),0.)),1);
      return;
    }
    t+=.9*away;
  }
}
"""

_LINE = """
void mainImage(out vec4 colour,in vec2 place){{
  vec2 q=2.*place/iResolution.xy-1.;
  float step=2./iResolution.x,low=9.,high=-9.;
  for(int k=0;k<16;k++){{
    float v=field({centre}+{extent}*(q.x+step*float(k)/16.)){first};
    low=min(low,v);
    high=max(high,v);
  }}
  float pixel=2./iResolution.y;
  colour=vec4(vec3(smoothstep(low-pixel,low,q.y)*(1.-smoothstep(high,high+pixel,q.y))),1);
}}
"""


def image_of(subject: Subject, dimension: int, channels: int) -> str:
    """Return the function ``mainImage`` that shows a field.

    Args:
        subject: the field.
        dimension: d, how many coordinates it has.
        channels: c, how many values.

    Raises:
        ValueError: there is nothing to show of so many coordinates.
    """
    signal = subject.signal
    extent = [_number((high - low) / 2) for low, high in subject.box]
    centre = [_number((high + low) / 2) for low, high in subject.box]
    kind = None if signal is None else signal.kind
    if dimension == 1:
        return _LINE.format(extent=extent[0], centre=centre[0], first="" if channels == 1 else ".x")
    if kind == "shape" and dimension == 3:
        # The upright axis of the shape is the third of the scene, and a normal of the shape is turned back.
        there, back = {"x": (".zxy", ".yzx"), "y": (".yzx", ".zxy"), "z": ("", "")}[str(getattr(signal, "up", "z"))]
        return _SPACE.replace("THERE", there).replace("BACK", back)
    if dimension > 3:
        raise ValueError(f"{subject.path}: Shadertoy shows fields of up to 3 coordinates, and this one has {dimension}")
    right, up = (-2, -1) if kind == "equation" else (-1, -2)  # of pictures rows run downwards
    places = ["", ""]
    places[right] = f"{centre[right]}+q.x"
    places[up] = f"{centre[up]}{'+' if kind == 'equation' else '-'}q.y"
    if dimension == 3:
        seconds = _number(max(float(getattr(signal, "seconds", 4.0)), 0.1))
        places.insert(0, f"{centre[0]}+{extent[0]}*(2.*fract(iTime/{seconds})-1.)")
    point = f"vec{dimension}({','.join(places)})"
    value = f"{_type(channels)} v=field({point});"
    colour = {1: "vec3(.5+.5*v)", 2: ".5+.5*v,.5", 3: ".5+.5*v", 4: ".5+.5*v.rgb"}[channels]
    if kind == "shape":
        colour = "mix(vec3(1.,.6,.2),vec3(.3,.6,1.),step(0.,v))*(.8+.2*cos(120.*v))"
    return _PLANE.format(width=extent[right], height=extent[up], value=value, colour=colour)


def _number(number: float) -> str:
    """Return a number as a float of GLSL, which is no integer."""
    return repr(float(f"{number:.9g}"))


def _type(channels: int) -> str:
    return "float" if channels == 1 else f"vec{channels}"
