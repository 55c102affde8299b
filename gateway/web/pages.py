"""The rooms."""

from fastapi import APIRouter

router = APIRouter()
